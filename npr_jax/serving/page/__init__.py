"""The page that serve shows, made of Gradio's blocks."""
