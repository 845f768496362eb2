"""The template language: pure rules, no await, no clock, no store."""
