"""What a fit is: the network found, its errors, its pieces, its picture and its file."""
