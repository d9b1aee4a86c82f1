// heap: the agent's allocator is mimalloc, and gives back what it needs no more.
//
// Where in the walk: beside it; the loop asks for give_back() when much has been read, compiled and sent.
//   The agent parses thousands of JSON rows into small pieces, frees them all and sleeps. glibc's malloc sorts such
//   pieces anew on each of the next wakes: mimalloc takes a fifth off a restart and off one more port. At 1,000 ports the
//   agent is as large with either; at 100 it is 2 to 3 MB larger.
//   It stands in for malloc in the whole program, libopenvswitch included, because ml2-agent is linked with it; a build
//   with sanitizers has theirs, and give_back() does nothing there.
// Threading: any thread.
// Failure: none.
// What it does not do: no arenas, no limits.
#pragma once

namespace ml2::heap {

// Pages that hold nothing go back to the kernel now, not one by one as they are found empty.
void give_back();

// Whether pages that get free go back to the kernel in that moment. Otherwise mimalloc means to do it 25 ms later, but
// only comes to it when it next needs a page beside them: a third of a sleeping agent's memory can be such pages.
void give_back_at_once(bool yes);

}  // namespace ml2::heap
