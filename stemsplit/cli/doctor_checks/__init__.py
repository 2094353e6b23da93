"""What `stemsplit doctor` looks at: one module per topic, each a stream of findings."""
