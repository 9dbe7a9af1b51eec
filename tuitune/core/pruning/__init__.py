"""Should this trial go on?"""
