package zkserver

import "strings"

// parentOf returns the path of the node that holds path; the root holds the top level. Path has a slash.
func parentOf(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}

func baseOf(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// validPath applies ZooKeeper's rules: absolute, no empty, "." or ".." part, no character that Java would call
// a control, surrogate or private one. Text that is not UTF-8 reads as U+FFFD and is refused with them, as are
// characters beyond 16 bits, which Java sees as surrogates.
func validPath(path string) bool {
	if path == "/" {
		return true
	}
	if path == "" || path[0] != '/' || path[len(path)-1] == '/' {
		return false
	}
	for part := range strings.SplitSeq(path[1:], "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	for _, r := range path {
		if r <= 0x1f || r >= 0x7f && r <= 0x9f || r >= 0xd800 && r <= 0xf8ff || r >= 0xfff0 {
			return false
		}
	}
	return true
}

// hasParent is the weaker check that create and delete make before they look at anything else.
func hasParent(path string) bool {
	return strings.IndexByte(path, '/') >= 0 && strings.IndexByte(path, 0) < 0
}

// isOwn tells the nodes that every server has from the start and that cannot be deleted.
func isOwn(path string) bool {
	return path == "/" || path == "/zookeeper" || path == "/zookeeper/quota" || path == "/zookeeper/config"
}
