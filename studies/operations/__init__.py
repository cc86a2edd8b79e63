"""The server: probes, health, metrics, logs, checks and backups."""
