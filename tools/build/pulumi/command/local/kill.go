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
// The tree is read from /proc. The command gets no process group of its own: it stays in the plugin's group, so that
// the CLI reaches the command too when it kills that group.
func stopTree(root int, grace time.Duration) error {
	tree := descendants(root)
	signal(tree, syscall.SIGTERM)
	for end := time.Now().Add(grace); time.Now().Before(end) && anyAlive(tree); {
		time.Sleep(50 * time.Millisecond)
	}
	// The tree is read again, because a process may have started others while it was told to stop.
	signal(append(tree, descendants(root)...), syscall.SIGKILL)
	return nil
}

func signal(pids []int, sig syscall.Signal) {
	for _, pid := range pids {
		if process, err := os.FindProcess(pid); err == nil {
			_ = process.Signal(sig) // an error means that it has ended, which is what we want
		}
	}
}

// anyAlive does not count zombies: they have ended, and only wait for their parent to notice.
func anyAlive(pids []int) bool {
	for _, pid := range pids {
		if fields := stat(pid); fields != nil && fields[0] != "Z" {
			return true
		}
	}
	return false
}

// descendants returns the root and every process below it, or the root alone on systems without /proc.
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

// stat returns the fields of /proc/PID/stat that follow the command's name: state, parent, and so on. The name itself
// may contain spaces and brackets. It returns nil when there is no such process.
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
