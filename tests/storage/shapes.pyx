"""The memory shapes of netcore/storage for Python, built by the tests alone: the product needs no such face."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from netcore.lanes cimport (
    LANES_OCTETS, LANES_WORDS, add_to_all, add_to_all_narrow, differ_from_all, differ_from_all_narrow, sum_halves,
    sum_halves_narrow,
)
from netcore.posix cimport calloc, free, iovec, memcpy
from netcore.storage.byte_queue cimport (
    byte_queue_t, queue_append, queue_append_chunk, queue_append_queue, queue_clear, queue_copy, queue_drop,
    queue_gather,
)
from netcore.storage.chunks cimport chunk_pool_close, chunk_pool_t, chunk_t, chunk_take
from netcore.storage.deadlines cimport (
    NEVER, arm, deadline_t, deadlines_close, deadlines_open, deadlines_release, deadlines_reserve, deadlines_t,
    disarm, earliest, owner_of, take_earliest,
)
from netcore.storage.links cimport (
    link_t, list_append, list_first, list_insert_behind, list_last, list_prepend, list_remove, list_t,
)
from netcore.storage.pattern cimport pattern_fill, pattern_first_wrong, pattern_fits, pattern_open, pattern_t
from netcore.storage.random cimport random_below, random_next, random_t
from netcore.storage.siphash cimport hash_key_t, siphash
from netcore.storage.slab cimport slab_close, slab_give, slab_open, slab_t, slab_take
from netcore.storage.table cimport (
    table_chain, table_close, table_insert, table_node_t, table_open, table_remove, table_t,
)
from netcore.storage.treap cimport treap_find, treap_insert_after, treap_node_t, treap_remove, treap_t


cdef class Queue:
    """A byte queue with a pool of its own."""
    cdef chunk_pool_t pool
    cdef byte_queue_t queue

    def append(self, bytes octets):
        return bool(queue_append(&self.queue, &self.pool, octets, len(octets)))

    def append_chunk(self, bytes octets, int start):
        cdef chunk_t* chunk = chunk_take(&self.pool, start + len(octets))
        chunk.start = start
        chunk.end = start + len(octets)
        memcpy(chunk.data + start, <const char*> octets, len(octets))
        queue_append_chunk(&self.queue, chunk)

    def append_queue(self, bytes octets):
        cdef byte_queue_t other
        other.head = other.tail = other.cursor = NULL
        other.length = other.cursor_offset = 0
        queue_append(&other, &self.pool, octets, len(octets))
        queue_append_queue(&self.queue, &other)
        return other.length == 0 and other.head == NULL

    def drop(self, uint64_t length):
        queue_drop(&self.queue, &self.pool, length)

    def copy(self, uint64_t length):
        cdef bytes found = PyBytes_FromStringAndSize(NULL, length)
        cdef uint64_t size = queue_copy(&self.queue, <uint8_t*> <char*> found, length)
        return found[:size]

    def gather(self, uint64_t offset, uint64_t length, int most):
        cdef iovec pieces[64]
        cdef int count = queue_gather(&self.queue, offset, length, pieces, most)
        return [(<char*> pieces[i].iov_base)[:pieces[i].iov_len] for i in range(count)]

    def clear(self):
        queue_clear(&self.queue, &self.pool)

    @property
    def length(self):
        return self.queue.length

    @property
    def in_use(self):
        return self.pool.in_use

    def __dealloc__(self):
        queue_clear(&self.queue, &self.pool)
        chunk_pool_close(&self.pool)


cdef class Heap:
    """Deadlines numbered from 0."""
    cdef deadlines_t heap
    cdef deadline_t* nodes
    cdef int count

    def __cinit__(self, int count):
        self.nodes = <deadline_t*> calloc(count, sizeof(deadline_t))
        self.count = count
        deadlines_open(&self.heap)
        for _ in range(count):
            deadlines_reserve(&self.heap)

    def arm(self, int number, int64_t due):
        arm(&self.heap, &self.nodes[number], &self.nodes[number], 0, due)

    def disarm(self, int number):
        disarm(&self.heap, &self.nodes[number])

    def earliest(self):
        return None if earliest(&self.heap) == NEVER else earliest(&self.heap)

    def take(self):
        cdef deadline_t* node = take_earliest(&self.heap)
        return node.due, <deadline_t*> owner_of(node) - self.nodes

    def places_agree(self):
        cdef uint32_t i
        return all(self.heap.items[i].node.place == i + 1 for i in range(self.heap.count))

    def __len__(self):
        return self.heap.count

    def __dealloc__(self):
        for _ in range(self.count):
            deadlines_release(&self.heap)
        deadlines_close(&self.heap)
        free(self.nodes)


cdef struct entry_t:
    table_node_t node
    uint32_t key


cdef class Table:
    """A hash table of numbers, whose hash is the number modulo `spread`."""
    cdef table_t table
    cdef slab_t slab
    cdef uint32_t spread

    def __cinit__(self, uint32_t spread):
        self.spread = spread
        table_open(&self.table, 4)
        slab_open(&self.slab, sizeof(entry_t))

    cdef entry_t* find(self, uint32_t key):
        cdef table_node_t* node = table_chain(&self.table, key % self.spread)
        while node != NULL:
            if (<entry_t*> node).key == key:
                return <entry_t*> node
            node = node.next
        return NULL

    def insert(self, uint32_t key):
        cdef entry_t* entry = <entry_t*> slab_take(&self.slab)
        assert entry.key == 0 and entry.node.next == NULL and entry.node.hash == 0, "a taken struct is not all zero"
        entry.key = key
        table_insert(&self.table, &entry.node, key % self.spread)

    def remove(self, uint32_t key):
        cdef entry_t* entry = self.find(key)
        cdef bint was_there = table_remove(&self.table, &entry.node)
        again = bool(table_remove(&self.table, &entry.node))
        slab_give(&self.slab, entry)
        return bool(was_there), again

    def __contains__(self, uint32_t key):
        return self.find(key) != NULL

    def __len__(self):
        return self.table.count

    @property
    def buckets(self):
        return self.table.mask + 1

    @property
    def taken(self):
        return self.slab.in_use

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.table.mask + 1):
            while self.table.buckets[i] != NULL:
                entry = self.table.buckets[i]
                table_remove(&self.table, entry)
                slab_give(&self.slab, entry)
        table_close(&self.table)
        slab_close(&self.slab)


cdef class Lists:
    """Links numbered from 0, each in one of a few lists or in none."""
    cdef list_t lists[4]
    cdef link_t links[64]

    def append(self, int where, int number):
        list_append(&self.lists[where], &self.links[number], &self.links[number])

    def prepend(self, int where, int number):
        list_prepend(&self.lists[where], &self.links[number], &self.links[number])

    def insert_behind(self, int before, int number):
        list_insert_behind(&self.links[before], &self.links[number], &self.links[number])

    def remove(self, int number):
        list_remove(&self.links[number])

    def content(self, int where):
        cdef link_t* link = self.lists[where].first
        forward = []
        while link != NULL:
            assert link.where == &self.lists[where] and link.owner == link
            forward.append(link - self.links)
            link = link.next
        link = self.lists[where].last
        backward = []
        while link != NULL:
            backward.append(link - self.links)
            link = link.previous
        assert forward == backward[::-1] and len(forward) == self.lists[where].count
        if not forward:
            assert list_first(&self.lists[where]) == NULL and list_last(&self.lists[where]) == NULL
            return forward
        assert <link_t*> list_first(&self.lists[where]) - self.links == forward[0]
        assert <link_t*> list_last(&self.lists[where]) - self.links == forward[len(forward) - 1]
        return forward


cdef class Tree:
    """A tree of stretches; its nodes are numbered from 0 and start where the caller says."""
    cdef treap_t tree
    cdef treap_node_t* nodes
    cdef int count
    cdef random_t source

    def __cinit__(self, int count, uint64_t seed):
        self.nodes = <treap_node_t*> calloc(count, sizeof(treap_node_t))
        self.count = count
        self.source.state = seed

    def insert(self, int number, uint32_t start):
        cdef treap_node_t* before = treap_find(&self.tree, start)
        treap_insert_after(&self.tree, before, &self.nodes[number], &self.nodes[number], start,
                           <uint32_t> (random_next(&self.source) >> 32))

    def remove(self, int number):
        treap_remove(&self.tree, &self.nodes[number])

    def find(self, uint32_t number):
        cdef treap_node_t* node = treap_find(&self.tree, number)
        return None if node == NULL else <treap_node_t*> node.owner - self.nodes

    def content(self):
        """The numbers of the nodes in order, after a look at every pointer."""
        cdef treap_node_t* node = self.tree.first
        forward = []
        while node != NULL:
            assert node.owner == node
            forward.append(node - self.nodes)
            assert node.next != NULL or node == self.tree.last
            assert node.next == NULL or node.next.previous == node
            node = node.next
        assert self.tree.first == NULL or self.tree.first.previous == NULL
        assert len(forward) == self.tree.count
        assert forward == self.below(self.tree.root, NULL)
        return forward

    cdef list below(self, treap_node_t* node, treap_node_t* parent):
        """The numbers of a subtree from left to right."""
        if node == NULL:
            return []
        assert node.parent == parent
        assert parent == NULL or node.priority <= parent.priority
        return [*self.below(node.left, node), node - self.nodes, *self.below(node.right, node)]

    def depth(self):
        return self.depth_below(self.tree.root)

    cdef int depth_below(self, treap_node_t* node):
        return 0 if node == NULL else 1 + max(self.depth_below(node.left), self.depth_below(node.right))

    def __dealloc__(self):
        free(self.nodes)


def random_numbers(uint64_t seed, int count):
    cdef random_t source
    source.state = seed
    return [random_next(&source) for _ in range(count)]


def random_numbers_below(uint64_t seed, uint32_t limit, int count):
    cdef random_t source
    source.state = seed
    return [random_below(&source, limit) for _ in range(count)]


def hash_words(uint64_t k0, uint64_t k1, words):
    cdef hash_key_t key
    cdef uint64_t buffer[16]
    key.k0 = k0
    key.k1 = k1
    for place, word in enumerate(words):
        buffer[place] = word
    return siphash(&key, buffer, len(words))


def sums_of_halves(bytes octets):
    """Of all whole blocks: as this processor takes them, and as any does."""
    cdef const uint8_t* at = octets
    return sum_halves(at, len(octets) // LANES_OCTETS), sum_halves_narrow(at, len(octets) // LANES_OCTETS)


def add_and_compare(words, uint64_t addend, int wrong):
    """Octets that add_to_all writes, both ways, and whether one wrong bit is found in them, both ways."""
    cdef uint64_t* from_ = <uint64_t*> calloc(len(words), 8)
    cdef bytes one = bytes(8 * len(words)), other = bytes(8 * len(words))
    cdef uint8_t* first = <uint8_t*> <char*> one
    cdef uint8_t* second = <uint8_t*> <char*> other
    cdef size_t blocks = len(words) // LANES_WORDS
    for index, word in enumerate(words):
        from_[index] = word
    add_to_all(first, from_, addend, blocks)
    add_to_all_narrow(second, from_, addend, blocks)
    right = differ_from_all(first, from_, addend, blocks) or differ_from_all_narrow(second, from_, addend, blocks)
    first[wrong // 8] ^= <uint8_t> (1 << wrong % 8)
    second[wrong // 8] ^= <uint8_t> (1 << wrong % 8)
    found = differ_from_all(first, from_, addend, blocks), differ_from_all_narrow(second, from_, addend, blocks)
    first[wrong // 8] ^= <uint8_t> (1 << wrong % 8)
    second[wrong // 8] ^= <uint8_t> (1 << wrong % 8)
    free(from_)
    return one, other, bool(right), [bool(each) for each in found]


cdef class Pattern:
    """The bytes of streams."""
    cdef pattern_t pattern

    def __cinit__(self, uint64_t seed):
        pattern_open(&self.pattern, seed)

    def fill(self, uint64_t key, uint64_t offset, uint64_t length):
        cdef bytes found = PyBytes_FromStringAndSize(NULL, length)
        pattern_fill(&self.pattern, key, offset, <uint8_t*> <char*> found, length)
        return found

    def first_wrong(self, uint64_t key, uint64_t offset, bytes octets):
        """None: they fit, and none is wrong."""
        place = pattern_first_wrong(&self.pattern, key, offset, octets, len(octets))
        assert (place == -1) == pattern_fits(&self.pattern, key, offset, octets, len(octets))
        return None if place == -1 else place
