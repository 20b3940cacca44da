"""An intrusive ordered tree of stretches of numbers modulo 2^32, all within half the circle; O(log n) expected.

A treap (Seidel, Aragon): a search tree by number and a heap by random priority. The nodes are also linked in order,
so that a walk needs no stack, and appending at the end or removing at the start moves a constant number of links.
"""

from libc.stdint cimport int32_t, uint32_t

cdef struct treap_node_t:
    treap_node_t* left
    treap_node_t* right
    treap_node_t* parent
    treap_node_t* previous
    treap_node_t* next
    void* owner
    # the first number of the stretch; it ends where the owner says, not beyond the next node's start
    uint32_t start
    uint32_t priority

cdef struct treap_t:
    treap_node_t* root
    treap_node_t* first
    treap_node_t* last
    uint32_t count


cdef inline void treap_replace(treap_t* tree, treap_node_t* node, treap_node_t* by) noexcept nogil:
    """Lets the parent of `node` point to `by` instead."""
    if node.parent == NULL:
        tree.root = by
    elif node.parent.left == node:
        node.parent.left = by
    else:
        node.parent.right = by
    if by != NULL:
        by.parent = node.parent


cdef inline void treap_lift(treap_t* tree, treap_node_t* node) noexcept nogil:
    """Rotates `node` above its parent."""
    cdef treap_node_t* parent = node.parent
    treap_replace(tree, parent, node)
    if parent.left == node:
        parent.left = node.right
        if node.right != NULL:
            node.right.parent = parent
        node.right = parent
    else:
        parent.right = node.left
        if node.left != NULL:
            node.left.parent = parent
        node.left = parent
    parent.parent = node


cdef inline void treap_insert_after(treap_t* tree, treap_node_t* before, treap_node_t* node, void* owner,
                                    uint32_t start, uint32_t priority) noexcept nogil:
    """Puts `node` behind `before` (NULL: at the start); its number must fit there."""
    node.left = node.right = node.parent = NULL
    node.owner = owner
    node.start = start
    node.priority = priority
    node.previous = before
    node.next = before.next if before != NULL else tree.first
    if node.next != NULL:
        node.next.previous = node
    else:
        tree.last = node
    if before != NULL:
        before.next = node
    else:
        tree.first = node
    tree.count += 1
    if before != NULL and before.right == NULL:
        before.right = node
        node.parent = before
    elif node.next != NULL:
        # `before` has a right subtree, whose leftmost node is the next: that one has no left child
        node.next.left = node
        node.parent = node.next
    else:
        tree.root = node
    while node.parent != NULL and node.parent.priority < priority:
        treap_lift(tree, node)


cdef inline void treap_remove(treap_t* tree, treap_node_t* node) noexcept nogil:
    while node.left != NULL and node.right != NULL:
        treap_lift(tree, node.left if node.left.priority > node.right.priority else node.right)
    treap_replace(tree, node, node.left if node.left != NULL else node.right)
    if node.previous != NULL:
        node.previous.next = node.next
    else:
        tree.first = node.next
    if node.next != NULL:
        node.next.previous = node.previous
    else:
        tree.last = node.previous
    tree.count -= 1


cdef inline treap_node_t* treap_find(const treap_t* tree, uint32_t number) noexcept nogil:
    """The last node that starts at or before `number`; NULL when all start after it."""
    cdef treap_node_t* node = tree.root
    cdef treap_node_t* found = NULL
    while node != NULL:
        if <int32_t> (number - node.start) >= 0:
            found = node
            node = node.right
        else:
            node = node.left
    return found
