ml2_test(netlink_test LABEL unit SOURCES netlink_test.cc netlink_fake_test.cc LINK ml2_netlink ml2_fake_kernel)
