// Hostile .npy files and pickles of tensors, built byte by byte; each is refused by an error.
#include "launch/convert/npy.h"

#include <gtest/gtest.h>

#include "common/compute/random.h"
#include "common/process/error.h"
#include "launch/convert/tensor_pickle.h"

namespace clipsweep {
namespace {

Array Small() { return ArrayOf<float>(ElementType::kF32, {2, 3}, {1, 2, 3, 4, 5, 6}); }

std::string Whole(const Array& array) { return NpyStart(array) + array.bytes; }

// An .npy with this dictionary and so many bytes of numbers.
std::string With(const std::string& dictionary, std::size_t bytes) {
  std::string file(kNpyMagic);
  file += {'\x01', '\x00', static_cast<char>(dictionary.size() & 0xFF),
           static_cast<char>(dictionary.size() >> 8)};
  return file + dictionary + std::string(bytes, '\0');
}

TEST(Npy, ReadsWhatItWrites) {
  const std::string file = Whole(Small());
  EXPECT_EQ(NpyStart(Small()).size() % 64, 0u);
  const Array read = DecodeNpy(file);
  EXPECT_EQ(read.shape, Small().shape);
  EXPECT_EQ(read.bytes, Small().bytes);
  const std::vector<std::string> names = {"a", "Löwe", "猫", "𝄞"};
  EXPECT_EQ(ToTexts(DecodeNpy(Whole(TextArray(names))), "x"), names);
  EXPECT_EQ(DecodeNpy(Whole(ArrayOf<double>(ElementType::kF64, {}, {2.5}))).shape.size(), 0u);
}

// A file that was cut, at every length there is: a header half read, a header alone, numbers half
// there.
TEST(Npy, RefusesEveryCut) {
  const std::string file = Whole(Small());
  for (std::size_t length = 0; length < file.size(); ++length) {
    EXPECT_THROW(DecodeNpy(file.substr(0, length)), NpyError) << length;
  }
  EXPECT_THROW(DecodeNpy(file + "x"), NpyError);
}

// Any byte changed to any value: an error, or an array of as many bytes as there are.
TEST(Npy, SurvivesEveryChangedByte) {
  const std::string file = Whole(Small());
  for (std::size_t at = 0; at < NpyStart(Small()).size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = file;
      changed[at] = static_cast<char>(value);
      try {
        const Array array = DecodeNpy(changed);
        EXPECT_EQ(array.bytes.size(),
                  static_cast<std::size_t>(ElementCount(array.shape)) * array.element_bytes);
      } catch (const NpyError&) {
      }
    }
  }
}

TEST(Npy, RefusesHostileHeaders) {
  const char* const bad[] = {
      "",                                                                            // nothing
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)",                    // no end
      "{'descr': '<f4', 'fortran_order': False}",                                    // no shape
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}",           // one key more
      "{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (2, 3)}",   // twice
      "{'descr': '<f4', 'fortran_order': 1, 'shape': (2, 3)}",                       // no truth
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3)}",                  // negative
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}",                    // no comma
      "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",  // overflow
      "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905, 4)}",  // of the
                                                                                      // product
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4)}",                    // too large
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}",                    // too small
      "{'descr': '|O', 'fortran_order': False, 'shape': (3,)}",                       // pickles
      "{'descr': '<U99999999999', 'fortran_order': False, 'shape': (3,)}",            // wide texts
      "{'descr': '<U0', 'fortran_order': False, 'shape': (3,)}",                      // no width
      "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,)}",             // records
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} import os",          // code
  };
  for (const char* dictionary : bad) {
    EXPECT_THROW(DecodeNpy(With(dictionary, 24)), NpyError) << dictionary;
  }
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}";
  EXPECT_NO_THROW(DecodeNpy(With(good, 24)));
  std::string axes = "1,";
  for (int i = 0; i < 6; ++i) axes += axes;
  EXPECT_THROW(
      DecodeNpy(With("{'descr': '<f4', 'fortran_order': False, 'shape': (6," + axes + ")}", 24)),
      NpyError);
}

TEST(Npy, TurnsFortranAndBigEndian) {
  // 1 4 2 5 3 6 in the order of columns, each number's bytes reversed.
  std::string numbers;
  for (const float value : {1.f, 4.f, 2.f, 5.f, 3.f, 6.f}) {
    std::string bytes(reinterpret_cast<const char*>(&value), sizeof value);
    numbers.append(bytes.rbegin(), bytes.rend());
  }
  const Array array =
      DecodeNpy(With("{'descr': '>f4', 'fortran_order': True, 'shape': (2, 3)}", 0) + numbers);
  EXPECT_EQ(array.bytes, Small().bytes);
}

TEST(TensorPickle, SurvivesEveryChangedByteAndCut) {
  // torch.save(torch.zeros(2, 3)), its pickle.
  const std::string pickle(
      "\x80\x02"
      "ctorch._utils\n_rebuild_tensor_v2\nq\0((X\7\0\0\0storageq\1ctorch\nFloatStorage\nq\2"
      "X\1\0\0\0000q\3X\3\0\0\0cpuq\4K\6tq\5QK\0K\2K\3\x86q\6K\3K\1\x86q\7\x89"
      "ccollections\nOrderedDict\nq\x08)Rq\ttq\nRq\x0b.",
      154);
  const PickledTensor tensor = ReadTensorPickle(pickle);
  EXPECT_EQ(tensor.sizes, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(tensor.strides, (std::vector<std::int64_t>{3, 1}));
  EXPECT_EQ(tensor.key, "0");
  for (std::size_t at = 0; at < pickle.size(); ++at) {
    EXPECT_THROW(ReadTensorPickle(pickle.substr(0, at)), TorchError) << at;
    for (int value = 0; value < 256; ++value) {
      std::string changed = pickle;
      changed[at] = static_cast<char>(value);
      try {
        ReadTensorPickle(changed);
      } catch (const TorchError&) {
      }
    }
  }
}

}  // namespace
}  // namespace clipsweep
