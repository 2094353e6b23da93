"""What files of sound are made of: chunks, boxes, pages."""
