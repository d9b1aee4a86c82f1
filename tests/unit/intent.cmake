ml2_test(intent_test LABEL unit SOURCES ml2_intent_test.cc ml2_reading_test.cc ml2_reading_ports_test.cc ml2_db_source_test.cc ml2_leave_test.cc LINK ml2_intent ml2_leave ml2_fake_database)
