"""What Python programs and notebooks do with studies, loaded when it is asked for."""
