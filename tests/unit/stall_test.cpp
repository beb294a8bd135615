// Who is blamed for a stall, and who is not.
#include <gtest/gtest.h>

#include "common/process/stall_judge.h"

namespace clipsweep {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Time by hand: `beats` are heard every 100 ms until `until`.
class StallTest : public ::testing::Test {
 protected:
  using Clock = StallJudge::Clock;

  // Ticks until the judge speaks or `ticks` have passed. `beat(rank, tick)` gives what is heard;
  // progress -1: silence.
  template <typename Beat>
  std::string Watch(StallJudge& judge, int size, int ticks, const Beat& beat) {
    for (int tick = 0; tick < ticks; ++tick) {
      now_ += milliseconds(100);
      for (int rank = 0; rank < size; ++rank) {
        const Liveness heard = beat(rank, tick);
        if (heard.progress >= 0) judge.Hear(rank, heard, now_);
      }
      const std::string message = judge.Check(now_);
      if (!message.empty()) {
        ticks_ = tick + 1;
        return message;
      }
    }
    return "";
  }

  Clock::time_point now_{seconds(1000)};
  int ticks_ = 0;
};

TEST_F(StallTest, ARankThatWaitsForASlowOneIsLeftAlone) {
  StallJudge judge(0, 3, seconds(2), now_);
  EXPECT_EQ(Watch(judge, 3, 1000,
                  [](int rank, int tick) {
                    return Liveness{rank == 1 ? tick : 7, rank != 1, "encode"};
                  }),
            "");
}

TEST_F(StallTest, SilenceIsNoticedAndNamed) {
  StallJudge judge(0, 3, seconds(2), now_);
  const std::string message = Watch(judge, 3, 1000, [](int rank, int tick) {
    return Liveness{rank == 2 && tick > 9 ? -1 : tick, false, "encode"};
  });
  EXPECT_NE(message.find("rank 2 of 3 has not been heard of for 2 s, last in 'encode'"),
            std::string::npos)
      << message;
  EXPECT_EQ(ticks_, 31);
}

TEST_F(StallTest, ARankThatBeatsButDoesNotGetOnIsNamed) {
  StallJudge judge(0, 2, seconds(2), now_);
  const std::string message = Watch(judge, 2, 1000, [](int rank, int tick) {
    return Liveness{rank == 1 ? 5 : tick, false, "merge"};
  });
  EXPECT_NE(message.find("rank 1 of 2 has not got on for 2 s in 'merge'"), std::string::npos)
      << message;
}

TEST_F(StallTest, RanksThatAllWaitAreADeadlock) {
  StallJudge judge(0, 2, seconds(2), now_);
  const std::string message = Watch(judge, 2, 1000, [](int, int) {
    return Liveness{3, true, "sum"};
  });
  EXPECT_NE(message.find("all ranks wait for one another"), std::string::npos) << message;
}

TEST_F(StallTest, OtherRanksWatchRankZeroAlone) {
  StallJudge judge(2, 3, seconds(2), now_);
  EXPECT_EQ(Watch(judge, 3, 200,
                  [](int rank, int tick) {
                    return Liveness{rank == 1 ? -1 : tick, rank == 2, "encode"};
                  }),
            "");
  const std::string message = Watch(judge, 3, 200, [](int rank, int tick) {
    return Liveness{rank == 2 ? tick : -1, false, "encode"};
  });
  EXPECT_NE(message.find("rank 0 of 3 has not been heard of"), std::string::npos) << message;
}

TEST_F(StallTest, AfterAPauseOfItsOwnItBlamesNobody) {
  StallJudge judge(0, 2, seconds(2), now_);
  const auto busy = [](int, int tick) { return Liveness{tick, false, "encode"}; };
  EXPECT_EQ(Watch(judge, 2, 10, busy), "");
  now_ += seconds(3600);  // stopped and continued, with all others
  EXPECT_EQ(judge.Check(now_), "");
  EXPECT_EQ(Watch(judge, 2, 100, busy), "");
}

}  // namespace
}  // namespace clipsweep
