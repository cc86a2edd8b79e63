"""The rows of recruiting: who arrived, and from where."""
