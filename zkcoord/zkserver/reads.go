package zkserver

import (
	"maps"
	"slices"
	"strings"
)

// readLocked answers everything that changes no node.
func (r *request) readLocked() error {
	s, c, d := r.s, r.c, &r.in
	switch r.op {
	case opExists:
		path, watch := d.string(), d.bool()
		if d.err != nil {
			return d.err
		}
		if strings.IndexByte(path, 0) >= 0 {
			return codeBadArguments
		}
		n, err := r.find(path, permRead)
		if err == codeNoAuth {
			return err
		}
		if watch {
			s.mu.watches.add(c, watchData, path) // also on a node that is not there yet: that is what exists is for
		}
		if err != nil {
			return err
		}
		n.stat().encode(&r.out)
		return nil
	case opGetData:
		return r.getData()
	case opGetACL:
		return r.getACL()
	case opGetChildren, opGetChildren2:
		return r.getChildren(r.op == opGetChildren2)
	case opSync:
		path := d.string()
		r.out.string(path)
		return d.err
	case opPing:
		return nil
	case opReconfig:
		return codeReconfigDisabled
	case opCheckWatches, opRemoveWatches:
		return r.removeWatches()
	case opMultiRead:
		return r.multiRead()
	case opGetEphemerals:
		prefix := d.string()
		var own []string
		for _, path := range s.mu.db.ephemeralsOf(c.session.id) {
			if strings.HasPrefix(path, prefix) {
				own = append(own, path)
			}
		}
		r.out.strings(own)
		return d.err
	case opGetAllChildrenNumber:
		return r.getAllChildrenNumber()
	case opSetWatches, opSetWatches2:
		return r.setWatches()
	case opAddWatch:
		return r.addWatch()
	case opWhoAmI:
		r.out.int32(int32(len(c.identities)))
		for _, id := range c.identities {
			user, _, _ := strings.Cut(id.id, ":")
			if id.scheme == "ip" {
				user = id.id
			}
			r.out.string(id.scheme)
			r.out.string(user)
		}
		return nil
	default:
		return errUnknownOp
	}
}

// find returns a node that the client may use in one of the ways of perms.
func (r *request) find(path string, perms int32) (*node, error) {
	n := r.s.mu.db.find(path)
	if n == nil {
		return nil, codeNoNode
	}
	if !n.acl.allows(r.c.identities, perms) {
		return nil, codeNoAuth
	}
	return n, nil
}

func (r *request) getData() error {
	path, watch := r.in.string(), r.in.bool()
	if r.in.err != nil {
		return r.in.err
	}
	n, err := r.find(path, permRead)
	if err != nil {
		return err
	}
	if watch {
		r.s.mu.watches.add(r.c, watchData, path)
	}
	r.out.buffer(n.data)
	n.stat().encode(&r.out)
	return nil
}

func (r *request) getChildren(withStat bool) error {
	path, watch := r.in.string(), r.in.bool()
	if r.in.err != nil {
		return r.in.err
	}
	n, err := r.find(path, permRead)
	if err != nil {
		return err
	}
	if watch {
		r.s.mu.watches.add(r.c, watchChildren, path)
	}
	r.out.strings(slices.Sorted(maps.Keys(n.children)))
	if withStat {
		n.stat().encode(&r.out)
	}
	return nil
}

func (r *request) getACL() error {
	path := r.in.string()
	if r.in.err != nil {
		return r.in.err
	}
	n, err := r.find(path, permRead|permAdmin)
	if err != nil {
		return err
	}
	list := n.acl
	if !list.allows(r.c.identities, permAdmin) {
		list = list.masked()
	}
	list.encode(&r.out)
	n.stat().encode(&r.out)
	return nil
}

// getAllChildrenNumber counts everything below a node.
func (r *request) getAllChildrenNumber() error {
	path := r.in.string()
	if r.in.err != nil {
		return r.in.err
	}
	if _, err := r.find(path, permRead); err != nil {
		return err
	}
	if path == "" {
		path = "/"
	}
	count := -1 // not the node itself
	for p := range r.s.mu.db.nodes {
		if below(p, path) {
			count++
		}
	}
	r.out.int32(int32(count))
	return nil
}
