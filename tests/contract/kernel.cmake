ml2_test(kernel_contract_test LABEL contract
  SOURCES kernel_contract_test.cc kernel_contract_links_test.cc kernel_dump_test.cc kernel_backends.cc
  LINK ml2_nl_kernel ml2_fake_kernel ml2_poll_loop)
