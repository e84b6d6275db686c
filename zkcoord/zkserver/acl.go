package zkserver

import (
	"crypto/sha1"
	"encoding/base64"
	"net/netip"
	"slices"
	"strings"
)

// Permissions of an access.
const (
	permRead   = 1
	permWrite  = 2
	permCreate = 4
	permDelete = 8
	permAdmin  = 16
	permAll    = 31
)

// identity is one name that a connection goes by: its address, or what it proved with an auth request.
type identity struct{ scheme, id string }

// access grants permissions to an identity.
type access struct {
	perms int32
	identity
}

func (id identity) isAnyone() bool { return id.scheme == "world" && id.id == "anyone" }

// acl lists who may do what with a node. An empty one lets everybody do all.
type acl []access

func openACL() acl     { return acl{{permAll, identity{"world", "anyone"}}} }
func readOnlyACL() acl { return acl{{permRead, identity{"world", "anyone"}}} }

func (a acl) encode(e *encoder) {
	e.int32(int32(len(a)))
	for _, x := range a {
		e.int32(x.perms)
		e.string(x.scheme)
		e.string(x.id)
	}
}

func decodeACL(d *decoder) acl {
	n := d.count(12)
	if n == 0 {
		return nil
	}
	a := make(acl, 0, n)
	for range n {
		a = append(a, access{d.int32(), identity{d.string(), d.string()}})
	}
	return a
}

// allows tells whether one of the identities holds one of the permissions.
func (a acl) allows(who []identity, perms int32) bool {
	if len(a) == 0 {
		return true
	}
	for _, id := range who {
		if id.scheme == "super" {
			return true
		}
	}
	for _, x := range a {
		if x.perms&perms == 0 {
			continue
		}
		if x.isAnyone() {
			return true
		}
		for _, id := range who {
			if id.scheme == x.scheme && (id.id == x.id || x.scheme == "ip" && addressMatches(id.id, x.id)) {
				return true
			}
		}
	}
	return false
}

// resolve checks a list that a client asks for and replaces "auth" by the identities that the client has
// proved, so that what is stored, logged and replayed depends on nobody's connection.
func (a acl) resolve(who []identity) (acl, error) {
	var out acl
	for i, x := range a {
		if slices.Contains(a[:i], x) {
			continue
		}
		switch {
		case x.isAnyone():
			out = append(out, x)
		case x.scheme == "auth":
			before := len(out)
			for _, id := range who {
				if id.scheme != "ip" {
					out = append(out, access{x.perms, id})
				}
			}
			if len(out) == before {
				return nil, codeInvalidACL
			}
		case x.scheme == "digest" && strings.Count(x.id, ":") == 1, x.scheme == "ip" && validAddress(x.id):
			out = append(out, x)
		default:
			return nil, codeInvalidACL
		}
	}
	if len(out) == 0 {
		return nil, codeInvalidACL
	}
	return out, nil
}

// masked hides the password hashes, for those who may not change the list.
func (a acl) masked() acl {
	out := slices.Clone(a)
	for i, x := range out {
		if user, _, found := strings.Cut(x.id, ":"); found && x.scheme == "digest" {
			out[i].id = user + ":x"
		}
	}
	return out
}

// digest turns "user:password" into the id that the digest scheme stores.
func digest(credential []byte) string {
	user, _, _ := strings.Cut(string(credential), ":")
	sum := sha1.Sum(credential)
	return user + ":" + base64.StdEncoding.EncodeToString(sum[:])
}

func validAddress(id string) bool {
	if _, err := netip.ParseAddr(id); err == nil {
		return true
	}
	_, err := netip.ParsePrefix(id)
	return err == nil
}

func addressMatches(have, pattern string) bool {
	addr, err := netip.ParseAddr(have)
	if err != nil {
		return false
	}
	if prefix, err := netip.ParsePrefix(pattern); err == nil {
		return prefix.Contains(addr.Unmap())
	}
	want, err := netip.ParseAddr(pattern)
	return err == nil && want.Unmap() == addr.Unmap()
}
