"""Published results, and reproducing them with our evaluator."""
