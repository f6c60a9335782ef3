"""What a picture's file says of where it comes from. No pixel is decoded, and nothing is fetched.

Such words can be forged and are mostly lost on the way: they never change a score, and finding none
means nothing.
"""
