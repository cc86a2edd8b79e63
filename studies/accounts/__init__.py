"""Who researchers are: roles, two-factor authentication, sharing, and the site they log in to."""
