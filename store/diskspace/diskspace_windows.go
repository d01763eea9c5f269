package diskspace

import "golang.org/x/sys/windows"

// Of asks the file system of a folder. It blocks: never on a loop.
func Of(folder string) (s Space, err error) {
	name, err := windows.UTF16PtrFromString(folder)
	if err != nil {
		return Space{}, err
	}
	err = windows.GetDiskFreeSpaceEx(name, &s.Free, &s.Total, nil)
	return s, err
}
