"""How many images and participants a study needs."""
