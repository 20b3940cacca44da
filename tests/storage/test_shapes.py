"""The memory shapes of the core against plain Python models of them."""

import random
from types import ModuleType

import pytest

SMALL, LARGE = 2000, 69584  # capacities of the two sizes of chunk


def queue_and_model(shapes: ModuleType, seed: int, steps: int) -> None:
    """Does the same random things to a byte queue and to a bytearray."""
    source = random.Random(seed)
    queue, model = shapes.Queue(), bytearray()
    for _ in range(steps):
        size = source.choice((0, 1, 5, 999, SMALL, SMALL + 1, 5000, LARGE, LARGE + 1, 150_000))
        text = source.randbytes(size)
        pick = source.random()
        if pick < 0.25:
            assert queue.append(text)
            model += text
        elif pick < 0.32 and 0 < size <= LARGE - 100:
            queue.append_chunk(text, source.randrange(100))
            model += text
        elif pick < 0.4:
            assert queue.append_queue(text)
            model += text
        elif pick < 0.6:
            dropped = source.choice((size, len(model) // 2, len(model), len(model) + 1, 1))
            queue.drop(dropped)
            del model[:dropped]
        elif pick < 0.63:
            queue.clear()
            model.clear()
        elif model:
            offset = source.randrange(len(model))
            length = source.randint(1, len(model) - offset)
            pieces = queue.gather(offset, length, 64)
            assert b"".join(pieces) == model[offset : offset + length]
            few = queue.gather(offset, length, 2)
            assert len(few) <= 2
            assert model[offset:].startswith(b"".join(few))
        assert queue.length == len(model)
        assert queue.copy(len(model) + 10) == model
    queue.clear()
    assert queue.in_use == 0


@pytest.mark.requirement("SND-9")
@pytest.mark.parametrize("seed", range(20))
def test_byte_queue_is_a_queue_of_bytes(shapes: ModuleType, seed: int) -> None:
    queue_and_model(shapes, seed, 150)


def test_gather_after_a_drop_within_its_last_chunk_starts_at_the_right_byte(shapes: ModuleType) -> None:
    queue = shapes.Queue()
    text = bytes(number % 251 for number in range(3 * LARGE))
    queue.append(text)
    for offset in (0, LARGE - 1, LARGE, 2 * LARGE + 5):
        for drop in (0, 1, 100, LARGE - 1, LARGE):
            fresh = shapes.Queue()
            fresh.append(text)
            fresh.gather(offset, 10, 4)
            fresh.drop(drop)
            assert b"".join(fresh.gather(0, 500, 4)) == text[drop : drop + 500]
            if offset >= drop:
                assert b"".join(fresh.gather(offset - drop, 500, 4)) == text[offset : offset + 500]


def test_idle_queue_stays_small_and_gives_its_memory_back(shapes: ModuleType) -> None:
    queue = shapes.Queue()
    queue.append(b"x")
    assert queue.in_use == SMALL
    queue.drop(1)
    assert queue.in_use == 0


@pytest.mark.parametrize("seed", range(10))
def test_deadlines_come_in_order_of_time_and_then_of_arming(shapes: ModuleType, seed: int) -> None:
    source = random.Random(seed)
    heap, model, serial = shapes.Heap(200), {}, 0
    for _ in range(3000):
        pick = source.random()
        number = source.randrange(200)
        if pick < 0.55:
            due = source.randrange(50)
            heap.arm(number, due)
            serial += 1
            model[number] = (due, serial)
        elif pick < 0.75:
            heap.disarm(number)
            model.pop(number, None)
        elif model:
            first = min(model, key=lambda each: model[each])
            assert heap.take() == (model.pop(first)[0], first)
        assert len(heap) == len(model)
        assert heap.earliest() == (min(model.values())[0] if model else None)
        assert heap.places_agree()


@pytest.mark.parametrize("spread", [1, 3, 1 << 31])
def test_table_finds_what_is_in_it_whatever_the_hash(shapes: ModuleType, spread: int) -> None:
    source = random.Random(spread)
    table, model = shapes.Table(spread), set()
    for _ in range(2000):
        key = source.randrange(1, 500)
        if key not in model:
            table.insert(key)
            model.add(key)
        elif source.random() < 0.6:
            assert table.remove(key) == (True, False)
            model.remove(key)
        assert (key in table) == (key in model)
        assert len(table) == table.taken == len(model)
    assert all(key in table for key in model)


@pytest.mark.requirement("LIM-3")
def test_table_grows_with_what_is_in_it(shapes: ModuleType) -> None:
    table = shapes.Table(1 << 31)
    for key in range(1, 1001):
        table.insert(key)
    assert 1000 <= table.buckets <= 2048


@pytest.mark.parametrize("seed", range(5))
def test_lists_keep_their_links_in_order_both_ways(shapes: ModuleType, seed: int) -> None:
    source = random.Random(seed)
    lists = shapes.Lists()
    model: list[list[int]] = [[], [], [], []]
    for _ in range(2000):
        number = source.randrange(64)
        lists.remove(number)
        for content in model:
            if number in content:
                content.remove(number)
        where = source.randrange(4)
        pick = source.random()
        if pick < 0.3:
            lists.append(where, number)
            model[where].append(number)
        elif pick < 0.5:
            lists.prepend(where, number)
            model[where].insert(0, number)
        elif pick < 0.7:
            before = source.randrange(64)
            if before != number:
                lists.insert_behind(before, number)
                for content in model:
                    if before in content:
                        content.insert(content.index(before) + 1, number)
        assert [lists.content(where) for where in range(4)] == model


@pytest.mark.requirement("LIM-3")
@pytest.mark.parametrize("origin", [0, 0xFFFFFF00, 0x7FFFFF00])
@pytest.mark.parametrize("seed", range(4))
def test_tree_keeps_its_nodes_in_order_and_finds_the_one_that_holds_a_number(
    shapes: ModuleType, seed: int, origin: int
) -> None:
    # numbers modulo 2**32, all within half the circle
    source = random.Random(seed)
    tree, model = shapes.Tree(200, seed), {}
    for step in range(1500):
        number = source.randrange(200)
        if number in model:
            tree.remove(number)
            del model[number]
        else:
            start = source.randrange(1000)
            if start not in model.values():
                tree.insert(number, (origin + start) % (1 << 32))
                model[number] = start
        if step % 10 == 0:
            assert tree.content() == sorted(model, key=lambda each: model[each])
        asked = source.randrange(1000)
        before = [each for each in model if model[each] <= asked]
        expected = max(before, key=lambda each: model[each]) if before else None
        assert tree.find((origin + asked) % (1 << 32)) == expected
    for number in list(model):
        tree.remove(number)
    assert tree.content() == []


@pytest.mark.requirement("LIM-3")
@pytest.mark.parametrize("order", ["appended", "prepended", "random", "moving"])
def test_tree_stays_flat_in_any_order_of_insertion(shapes: ModuleType, order: str) -> None:
    # 2 * ln(n) levels are expected: 18 for 10,000
    count = 10_000
    tree = shapes.Tree(count, 7)
    starts = list(range(count))
    if order == "prepended":
        starts.reverse()
    elif order == "random":
        random.Random(1).shuffle(starts)
    for number, start in enumerate(starts):
        tree.insert(number, start)
    if order == "moving":
        # what a sender does: ever more at the end, ever less at the start
        for number in range(count - 100):
            tree.remove(number)
            tree.insert(number, count + number)
    assert tree.depth() <= 45


# the reference vectors of SipHash-2-4 (Aumasson and Bernstein, appendix A and vectors.h) for whole words of input
KEY = (0x0706050403020100, 0x0F0E0D0C0B0A0908)


@pytest.mark.requirement("SND-1")
def test_siphash_gives_the_reference_values(shapes: ModuleType) -> None:
    assert shapes.hash_words(*KEY, []) == 0x726FDB47DD0E0E31
    assert shapes.hash_words(*KEY, [0x0706050403020100]) == 0x93F5F5799A932462


@pytest.mark.requirement("LIM-5")
def test_random_numbers_are_those_of_splitmix64(shapes: ModuleType) -> None:
    # the values published with the algorithm for the seed 1234567
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert shapes.random_numbers(1234567, 5) == expected


def test_random_numbers_below_a_limit_fill_it_evenly(shapes: ModuleType) -> None:
    for limit in (1, 2, 7, 1_000_000, 0xFFFFFFFF):
        numbers = shapes.random_numbers_below(1, limit, 2000)
        assert 0 <= min(numbers) <= max(numbers) < limit
    counts = [shapes.random_numbers_below(5, 10, 10_000).count(number) for number in range(10)]
    assert all(abs(count - 1000) < 5 * 1000**0.5 for count in counts)


@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 5, 8, 45, 2000])
def test_wide_and_narrow_sums_are_those_of_the_halves(shapes: ModuleType, blocks: int) -> None:
    for octets in (random.Random(blocks).randbytes(32 * blocks), b"\xff" * 32 * blocks):
        right = sum(int.from_bytes(octets[at : at + 4], "little") for at in range(0, len(octets), 4))
        assert shapes.sums_of_halves(octets) == (right, right)


@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 5, 8, 13])
def test_wide_and_narrow_additions_are_right_and_any_wrong_bit_is_found(shapes: ModuleType, blocks: int) -> None:
    source = random.Random(blocks)
    words = [source.getrandbits(64) for _ in range(4 * blocks)]
    addend = source.getrandbits(64)
    right = b"".join(((word + addend) % 2**64).to_bytes(8, "little") for word in words)
    for bit in range(0, 256 * blocks, 9):
        assert shapes.add_and_compare(words, addend, bit) == (right, right, False, [True, True])


@pytest.mark.parametrize("offset", [0, 1, 7, 8, 8185, 8192 - 40, 1 << 40])
def test_stretch_of_a_stream_is_its_octets_one_by_one(shapes: ModuleType, offset: int) -> None:
    pattern = shapes.Pattern(1)
    stream = b"".join(pattern.fill(5, offset + at, 1) for at in range(300))
    for length in (0, 1, 8, 9, 31, 32, 33, 127, 128, 300):
        assert pattern.fill(5, offset, length) == stream[:length]
        assert pattern.first_wrong(5, offset, stream[:length]) is None
    for place in range(300):
        wrong = stream[:place] + bytes([stream[place] ^ 0x10]) + stream[place + 1 :]
        assert pattern.first_wrong(5, offset, wrong) == offset + place
