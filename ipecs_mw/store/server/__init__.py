"""The MongoDB server: where it is, how it is reached, what its errors mean."""
