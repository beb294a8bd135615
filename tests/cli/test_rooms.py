"""The rooms of the source: what each includes stands in its CMakeLists.txt, and nothing looks upward."""
import re

from conftest import ROOT

STAGES = ("common", "extract", "sweep", "finetune", "launch")
# Compiled into the CUDA plugin, cmake/Cuda.cmake.
OF_THE_PLUGIN = {"graph_runner.cpp", "nccl_backend.cpp"}


def rooms():
    """{folder: (its sources, the rooms it uses)} of every folder that has sources, in the order CMake adds them."""
    found = {}

    def read(folder):
        text = re.sub(r"#.*", "", (ROOT / folder / "CMakeLists.txt").read_text())
        for name in re.findall(r"add_subdirectory\((\S+?)\)", text):
            read(f"{folder}/{name}")
        room = re.search(r"clipsweep_room\(\s*SOURCES\s+([^()]*?)(?:USES\s+([^()]*?))?(?:LIBRARIES[^()]*?)?(?:OPTIONS[^()]*?)?\)", text)
        if room:
            more = " ".join(re.findall(r"clipsweep_picture_format\(\w+ \w+ \S+ ([^)]*)\)", text))
            found[folder] = (set((room[1] + " " + more).split()), (room[2] or "").split())

    for stage in STAGES:
        read(stage)
    return found


def may_include(room, all_rooms):
    seen, todo = {room}, [room]
    while todo:
        for used in all_rooms[todo.pop()][1]:
            if used not in seen:
                seen.add(used)
                todo.append(used)
    return seen


def test_every_source_is_in_a_room():
    found = rooms()
    on_disk = {}
    for stage in STAGES:
        for path in (ROOT / stage).rglob("*.cpp"):
            if path.name not in OF_THE_PLUGIN and path != ROOT / "launch" / "main.cpp":
                on_disk.setdefault(str(path.parent.relative_to(ROOT)), set()).add(path.name)
    assert {room: sources for room, (sources, _) in found.items()} == on_disk


def test_no_include_looks_upward():
    found = rooms()
    wrong = []
    for room in found:
        allowed = may_include(room, found)
        for path in [*(ROOT / room).glob("*.h"), *(ROOT / room).glob("*.cpp"), *(ROOT / room).glob("*.cu")]:
            for header in re.findall(r'^#include "([^"]+)"', path.read_text(), re.MULTILINE):
                assert (ROOT / header).is_file(), f"{path}: includes {header}, which is not there from the top level"
                if header.rpartition("/")[0] not in allowed:
                    wrong.append(f"{path.relative_to(ROOT)} includes {header}; its room does not use that one")
    assert wrong == []


def test_rooms_are_a_ladder():
    """A room uses only what is added before it; stages only those below them."""
    below = {"common": {"common"}, "extract": {"common", "extract"}, "sweep": {"common", "sweep"},
             "finetune": {"common", "extract", "sweep", "finetune"}, "launch": set(STAGES)}
    found = rooms()
    order = list(found)
    for room, (_, used) in found.items():
        for other in used:
            assert order.index(other) < order.index(room), f"{room} uses {other}, which is added after it"
            assert other.split("/")[0] in below[room.split("/")[0]], f"{room} uses {other}"


def test_a_room_is_described_in_its_folder():
    for room, (sources, _) in rooms().items():
        text = (ROOT / room / "CMakeLists.txt").read_text()
        assert text.startswith("# "), f"{room}/CMakeLists.txt says what the room is for in its first line"
        for source in sources:
            assert re.search(rf"^\s+{re.escape(source)}\)?$", text, re.MULTILINE) or "picture_format" in text, source
