"""The app's own parts: the only place in the package that imports streamlit."""
