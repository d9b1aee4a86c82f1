ml2_fuzz(rows_fuzz SOURCES rows_fuzz.cc LINK ml2_ovsdb_values)
