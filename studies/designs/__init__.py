"""Designs of studies: the choices they may make, the consent they ask for, amendments."""
