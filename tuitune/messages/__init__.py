"""What do facts and tables read like, to people and to other programs?"""
