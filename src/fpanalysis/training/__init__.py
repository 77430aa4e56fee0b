"""Training: configuration, losses, the trainer, histories, selection."""
