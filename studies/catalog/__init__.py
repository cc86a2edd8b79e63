"""Image sets and classifiers: importing, names, class descriptions, evaluation."""
