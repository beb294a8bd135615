// gtest under mpirun: every rank runs every test in step; a failure on any rank fails the job.
#include <gtest/gtest.h>

#include <cstdio>

#include "common/comm/mpi_session.h"
#include "tests/mpi/world.h"

namespace clipsweep::testing {

MpiSession* g_session = nullptr;
Comm& World() { return g_session->world(); }

}  // namespace clipsweep::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  clipsweep::MpiSession session(&argc, &argv);
  clipsweep::testing::g_session = &session;
  if (!session.world().is_root()) {
    auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
  }
  std::int64_t failed = RUN_ALL_TESTS();
  if (failed != 0 && !session.world().is_root()) {
    const auto& unit = *::testing::UnitTest::GetInstance();
    for (int s = 0; s < unit.total_test_suite_count(); ++s) {
      const auto& suite = *unit.GetTestSuite(s);
      for (int t = 0; t < suite.total_test_count(); ++t) {
        const auto& result = *suite.GetTestInfo(t)->result();
        for (int p = 0; p < result.total_part_count(); ++p) {
          std::fprintf(stderr, "rank %d: %s.%s: %s\n", session.world().rank(), suite.name(),
                       suite.GetTestInfo(t)->name(), result.GetTestPartResult(p).summary());
        }
      }
    }
  }
  session.world().MaxInt64(std::span(&failed, 1));
  session.Finalize();
  return failed == 0 ? 0 : 1;
}
