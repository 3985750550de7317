"""Real models with random weights, made on the spot at any size: for benches and tests, where no weights can be had."""
