ml2_fuzz(ini_fuzz SOURCES ini_fuzz.cc LINK ml2_config)
