"""Co-divide: losses -> mixture -> clean probability -> labelled and unlabelled set."""
