"""What watches the gateway: Prometheus's configuration and rules, and Grafana's dashboards."""
