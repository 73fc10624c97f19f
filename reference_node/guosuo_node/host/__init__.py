"""What a process needs of its machine: TLS files, logs, metrics, static HTTP."""
