# SPDX-License-Identifier: Apache-2.0
# cmake --install: the program, the public headers, the libraries, and what find_package(partita) needs.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(partita_modules support spec device text formats ir comm engine ops_decl ops_kernels plan models passes cost
  launch importer planner partition runtime api)
list(TRANSFORM partita_modules PREPEND partita_ OUTPUT_VARIABLE partita_libraries)
foreach(library IN LISTS partita_libraries)
  get_target_property(type ${library} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    list(APPEND partita_archives $<TARGET_FILE:${library}>)
  endif()
endforeach()

# Users see one library: the static libraries of the folders are merged, their arrows stay our own business.
set(partita_archive ${PROJECT_BINARY_DIR}/libpartita.a)
add_custom_command(OUTPUT ${partita_archive}
  COMMAND ${CMAKE_COMMAND} -E rm -f ${partita_archive}
  COMMAND ${PROJECT_SOURCE_DIR}/cmake/merge_archives.sh ${CMAKE_AR} ${partita_archive} ${partita_archives}
  DEPENDS ${partita_libraries} ${PROJECT_SOURCE_DIR}/cmake/merge_archives.sh VERBATIM)
add_custom_target(partita_merged ALL DEPENDS ${partita_archive})

configure_package_config_file(cmake/partita-config.cmake.in ${PROJECT_BINARY_DIR}/partita-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/partita
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/partita-config-version.cmake COMPATIBILITY SameMinorVersion)

install(TARGETS partita RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY include/partita DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${partita_archive} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${PROJECT_BINARY_DIR}/partita-config.cmake ${PROJECT_BINARY_DIR}/partita-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/partita)
