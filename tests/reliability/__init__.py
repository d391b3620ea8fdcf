"""What takes longer than a suite may: in parts that can be stopped, gone on with and run alone."""
