package admin

import "golang.org/x/sys/windows"

// folderSpace asks the file system of a folder; free is what the server may use.
func folderSpace(folder string) (s diskSpace, err error) {
	name, err := windows.UTF16PtrFromString(folder)
	if err != nil {
		return diskSpace{}, err
	}
	err = windows.GetDiskFreeSpaceEx(name, &s.free, &s.size, nil)
	return s, err
}
