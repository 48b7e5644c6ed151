"""The one place that names concrete classes: `log` for what events are written to, `gateway` for all the rest."""
