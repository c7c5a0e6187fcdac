"""Public data sets: fetched from their official addresses, checked and unpacked."""
