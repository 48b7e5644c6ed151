"""Grafana's dashboards, written down once; `python -m observability.dashboards` makes the JSON that Grafana reads."""
