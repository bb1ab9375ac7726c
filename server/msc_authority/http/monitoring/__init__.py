"""What is shipped for Prometheus and Grafana, rendered from the table of metrics and the table of alert rules."""
