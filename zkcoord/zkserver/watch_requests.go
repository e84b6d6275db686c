package zkserver

// Watch types that a client may ask to remove.
const (
	removeChildren = 1
	removeData     = 2
	removeAny      = 3
)

// Modes of addWatch.
const (
	modePersistent = 0
	modeRecursive  = 1
)

func (r *request) addWatch() error {
	path, mode := r.in.string(), r.in.int32()
	if r.in.err != nil {
		return r.in.err
	}
	switch mode {
	case modePersistent:
		r.s.mu.watches.add(r.c, watchPersistent, path)
	case modeRecursive:
		r.s.mu.watches.add(r.c, watchRecursive, path)
	default:
		return errShort
	}
	r.out.int32(0)
	return nil
}

// removeWatches serves checkWatches as well, which only asks.
func (r *request) removeWatches() error {
	path, kind := r.in.string(), r.in.int32()
	if r.in.err != nil {
		return r.in.err
	}
	var kinds []watchKind
	switch kind {
	case removeChildren:
		kinds = []watchKind{watchChildren, watchPersistent, watchRecursive}
	case removeData:
		kinds = []watchKind{watchData, watchPersistent, watchRecursive}
	case removeAny:
		kinds = []watchKind{watchData, watchChildren, watchPersistent, watchRecursive}
	default:
		return codeBadArguments
	}
	var found bool
	for _, k := range kinds {
		if r.s.mu.watches.has(r.c, k, path) {
			found = true
			if r.op == opRemoveWatches {
				r.s.mu.watches.remove(r.c, k, path)
			}
		}
	}
	if !found {
		return codeNoWatcher
	}
	return nil
}

// setWatches puts back what a client watched before its connection was lost. What changed since the zxid that
// it last saw is told at once, before the answer, and not watched any more.
func (r *request) setWatches() error {
	d, db, w := &r.in, r.s.mu.db, r.s.mu.watches
	since, data, exist, child := d.int64(), d.strings(), d.strings(), d.strings()
	var persistent, recursive []string
	if r.op == opSetWatches2 {
		persistent, recursive = d.strings(), d.strings()
	}
	if d.err != nil {
		return d.err
	}
	tell := func(kind int32, path string, n *node) {
		if n == nil || n.acl.allows(r.c.identities, permRead) {
			r.c.notify(kind, path)
		}
	}
	for _, path := range data {
		switch n := db.find(path); {
		case n == nil:
			tell(eventDeleted, path, n)
		case n.mzxid > since:
			tell(eventDataChanged, path, n)
		default:
			w.add(r.c, watchData, path)
		}
	}
	for _, path := range exist {
		if n := db.find(path); n != nil {
			tell(eventCreated, path, n)
		} else {
			w.add(r.c, watchData, path)
		}
	}
	for _, path := range child {
		switch n := db.find(path); {
		case n == nil:
			tell(eventDeleted, path, n)
		case n.pzxid > since:
			tell(eventChildrenChanged, path, n)
		default:
			w.add(r.c, watchChildren, path)
		}
	}
	for _, path := range persistent {
		w.add(r.c, watchPersistent, path)
	}
	for _, path := range recursive {
		w.add(r.c, watchRecursive, path)
	}
	return nil
}
