"""Features: what is known of users and items each night, declared once for training and for serving."""
