import sys

sys.exit("the data is not there: give --data")
