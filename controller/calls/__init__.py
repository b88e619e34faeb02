"""Orchestration: one task per call drives its flow run over a telephone and writes the record."""
