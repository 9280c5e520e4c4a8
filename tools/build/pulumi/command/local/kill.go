package local

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopTree asks a process and all that it started to stop, and kills what is left after the grace.
//
// The tree is read from /proc instead of giving the command a process group of its own: it stays in the plugin's
// group, so that the CLI, when it kills that group, reaches the command too.
func stopTree(root int, grace time.Duration) error {
	tree := descendants(root)
	signal(tree, syscall.SIGTERM)
	for end := time.Now().Add(grace); time.Now().Before(end) && anyAlive(tree); {
		time.Sleep(50 * time.Millisecond)
	}
	// Looked up once more: a process may have started others while it was told to stop.
	signal(append(tree, descendants(root)...), syscall.SIGKILL)
	return nil
}

func signal(pids []int, sig syscall.Signal) {
	for _, pid := range pids {
		if process, err := os.FindProcess(pid); err == nil {
			_ = process.Signal(sig) // gone already is what is wanted
		}
	}
}

// anyAlive: a zombie has ended, and only waits for its parent to take notice.
func anyAlive(pids []int) bool {
	for _, pid := range pids {
		if fields := stat(pid); fields != nil && fields[0] != "Z" {
			return true
		}
	}
	return false
}

// descendants gives the root and every process below it; on systems without /proc, the root alone.
func descendants(root int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if fields := stat(pid); fields != nil {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], pid)
		}
	}
	tree := []int{root}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	return tree
}

// stat gives the fields of /proc/PID/stat after the command's name, which may itself hold spaces and brackets:
// state, parent, and so on. It is nil when there is no such process.
func stat(pid int) []string {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return nil
	}
	text := string(data)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return nil
	}
	return fields
}
