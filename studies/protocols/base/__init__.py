"""What a protocol is made of: the class, its forms, its results and its preregistration."""
